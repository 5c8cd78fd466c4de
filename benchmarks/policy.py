"""How long a repository of many manifests takes: the policy suite, beside cfn-lint and checkov on the same files.

checkov pins packages that others need newer, so it has an environment of its own: ABACUS_CHECKOV names its program, or
``--install-checkov`` makes one below the user's cache, once (about 200 MB).
"""

from __future__ import annotations

import json
import os
import resource
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
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
CHECKOV = CACHE / "abacus-drills" / "checkov" / "bin" / "checkov"
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


def main() -> int:
    """Print one line for each tool: seconds on the same files, and what was found. 1 where the limit is missed."""
    if "--install-checkov" in sys.argv[1:]:
        install_checkov()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        generate(directory)
        began_s, began_cpu_s = time.monotonic(), time.process_time()
        report = judge(directory)
        took_s, cpu_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
        told = f"{report.resources} resources, {len(report.findings)} findings"
        print(f"policy suite   {took_s:6.1f} s, {cpu_s:5.1f} s of processor  {told}")
        print(f"               {'within' if took_s < LIMIT_S else 'MISSED'} the limit of {LIMIT_S:.0f} s")
        templates = [str(path) for path in sorted((directory / "cloudformation").iterdir())]
        _beside("cfn-lint", [_tool("cfn-lint"), "--", *templates], directory, f"{len(templates)} templates only")
        checkov = os.environ.get("ABACUS_CHECKOV", "") or (str(CHECKOV) if CHECKOV.exists() else "") or _tool("checkov")
        quietly = ["--quiet", "--compact", "--skip-download", "--output", "json"]
        _beside("checkov", [checkov, "--directory", name, *quietly], directory, "each file by itself")
    return int(took_s >= LIMIT_S)


def install_checkov() -> None:
    """Make checkov's environment, where there is none. Raises CalledProcessError."""
    if not CHECKOV.exists():
        home = CHECKOV.parent.parent
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        free = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
        subprocess.run([str(home / "bin" / "pip"), "install", "--quiet", "checkov"], check=True, env=free)


def _tool(name: str) -> str:
    return shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}") or ""


def _beside(name: str, command: list[str], directory: Path, what: str) -> None:
    if not command[0]:
        print(f"{name:14} absent: python -m benchmarks.policy --install-checkov, or name its program in ABACUS_CHECKOV")
        return
    # It looks for updates when it is imported, and would wait for a network.
    environment = {**os.environ, "SKIP_PACKAGE_UPDATE_CHECK": "1", "BC_SKIP_MAPPING": "TRUE"}
    began_s, began = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, check=False, env=environment, stdin=subprocess.DEVNULL
    )
    took_s, now = time.monotonic() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = now.ru_utime + now.ru_stime - began.ru_utime - began.ru_stime
    failed = f", failed: {ended.stderr.strip()[-200:]}" if ended.returncode not in (0, 1) else _told(ended.stdout)
    print(f"{name:14} {took_s:6.1f} s, {cpu_s:5.1f} s of processor  {what}{failed}")


def _told(output: str) -> str:
    """What checkov counted; nothing of a tool that prints no such summary."""
    try:
        said = json.loads(output)
    except ValueError:
        return ""
    parts = said if isinstance(said, list) else [said]
    counts = [each["summary"] for each in parts if isinstance(each, dict) and "summary" in each]
    if not counts:
        return ""
    failed, passed = (sum(each[key] for each in counts) for key in ("failed", "passed"))
    return f", {sum(each['resource_count'] for each in counts)} resources, {failed} findings, {passed} passed"


if __name__ == "__main__":
    sys.exit(main())
