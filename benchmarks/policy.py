"""How long a repository of many manifests takes: the policy suite, beside cfn-lint and checkov on the same files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fixtures.policy.judge import judge

MANIFESTS = 2_000
TEMPLATES = 20
LIMIT_S = 30.0
TOGETHER = 4
"""Files that make one workload: a Deployment, its Service, its disruption budget, its autoscaler."""

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{n}
  namespace: shop
  labels: {{app: app-{n}}}
spec:
  replicas: 3
  selector:
    matchLabels: {{app: app-{n}}}
  template:
    metadata:
      labels: {{app: app-{n}}}
    spec:
      serviceAccountName: app-{n}
      automountServiceAccountToken: false
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: topology.kubernetes.io/zone
          whenUnsatisfiable: DoNotSchedule
          labelSelector: {{matchLabels: {{app: app-{n}}}}}
      securityContext: {{runAsNonRoot: true, seccompProfile: {{type: RuntimeDefault}}}}
      containers:
        - name: app
          image: registry.example/app@sha256:{digest}
          ports: [{{name: http, containerPort: 8080}}]
          env:
            - {{name: MODE, value: production}}
            - {{name: PEERS, value: "{n}"}}
          resources:
            requests: {{cpu: 100m, memory: 128Mi}}
            limits: {{memory: 256Mi}}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {{drop: [ALL]}}
          startupProbe: {{httpGet: {{path: /started, port: http}}}}
          readinessProbe: {{httpGet: {{path: /ready, port: http}}, periodSeconds: 5}}
          livenessProbe: {{httpGet: {{path: /alive, port: http}}}}
          lifecycle: {{preStop: {{sleep: {{seconds: 15}}}}}}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: app-{n}, namespace: shop}}
spec:
  selector: {{app: app-{n}}}
  ports: [{{name: http, port: 80, targetPort: http}}]
"""
BUDGET = """\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: app-{n}, namespace: shop}}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {{app: app-{n}}}
"""
SCALER = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: app-{n}, namespace: shop}}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: app-{n}}}
  minReplicas: 3
  maxReplicas: 9
  metrics: [{{type: Resource, resource: {{name: cpu, target: {{type: Utilization, averageUtilization: 70}}}}}}]
"""
TEMPLATE = """\
AWSTemplateFormatVersion: "2010-09-09"
Resources:
  Database:
    Type: AWS::RDS::DBInstance
    DeletionPolicy: Snapshot
    UpdateReplacePolicy: Snapshot
    Properties:
      DBInstanceClass: db.m7g.large
      Engine: postgres
      AllocatedStorage: "{n}"
      ManageMasterUserPassword: true
      MasterUsername: owner
      MultiAZ: true
      StorageEncrypted: true
      BackupRetentionPeriod: 14
"""


def generate(directory: Path, manifests: int = MANIFESTS, templates: int = TEMPLATES) -> None:
    """Write workloads of four manifests each, a file a manifest, and some templates."""
    for n in range(manifests // TOGETHER):
        home = directory / "kubernetes" / f"app-{n}"
        home.mkdir(parents=True)
        named = {"deployment": DEPLOYMENT, "service": SERVICE, "budget": BUDGET, "scaler": SCALER}
        for name, text in named.items():
            (home / f"{name}.yaml").write_text(text.format(n=n, digest=f"{n:064x}"))
    (directory / "cloudformation").mkdir()
    for n in range(templates):
        (directory / "cloudformation" / f"database-{n}.yaml").write_text(TEMPLATE.format(n=100 + n))


def main() -> None:
    """Print one line for each tool: seconds on the same files, and what was found."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        generate(directory)
        began_s = time.monotonic()
        report = judge(directory)
        took_s = time.monotonic() - began_s
        print(f"policy suite   {took_s:6.1f} s  {report.resources} resources, {len(report.findings)} findings")
        print(f"               {'within' if took_s < LIMIT_S else 'MISSED'} the limit of {LIMIT_S:.0f} s")
        _beside("cfn-lint", [_tool("cfn-lint"), f"{directory}/cloudformation/*.yaml"])
        checkov = os.environ.get("ABACUS_CHECKOV", "") or _tool("checkov")
        _beside("checkov", [checkov, "--directory", name, "--quiet", "--compact", "--skip-download"])


def _tool(name: str) -> str:
    return shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}") or ""


def _beside(name: str, command: list[str]) -> None:
    if not command[0]:
        print(f"{name:14} absent: install it beside (checkov: in an environment of its own, named by ABACUS_CHECKOV)")
        return
    began_s = time.monotonic()
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "SKIP_PACKAGE_UPDATE_CHECK": "1"}
    )
    print(f"{name:14} {time.monotonic() - began_s:6.1f} s  exit code {ended.returncode}")


if __name__ == "__main__":
    main()
