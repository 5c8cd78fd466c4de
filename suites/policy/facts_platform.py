"""What runs and what is reached: cluster, network, load balancer, firewall, CDN, alarms, roles."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from suites.policy.facts import Fact, Said, properties

GROUPS = {
    "BalancerSecurityGroup": "balancer",
    "ControlPlaneSecurityGroup": "cluster",
    "NodeSecurityGroup": "nodes",
    "RotationSecurityGroup": "rotation",
    "DatabaseSecurityGroup": "database",
    "CacheSecurityGroup": "cache",
}
"""What CloudFormation calls the groups of ``shared/security``."""

CLUSTER = properties(
    "cluster",
    lambda said: said.one("AWS::EKS::Cluster") | said.one("AWS::EKS::Nodegroup"),
    lambda said: said.one("aws_eks_cluster") | said.one("aws_eks_node_group"),
    """
    Version                       version
    DeletionProtection            deletion_protection
    InstanceTypes                 instance_types
    AmiType                       ami_type
    """,
)


def paths(said: Said) -> set[str]:
    """Who may connect to whom on which port, within the network, from CloudFormation."""

    def group(reference: Any) -> str:
        return GROUPS[reference["Fn::GetAtt"].partition(".")[0]]

    several = [
        (GROUPS[name], rule)
        for name, each in said.named("AWS::EC2::SecurityGroup").items()
        for rule in each.get("SecurityGroupIngress", [])
    ]
    several += [(group(rule["GroupId"]), rule) for rule in said.all("AWS::EC2::SecurityGroupIngress")]
    return {
        f"{group(rule['SourceSecurityGroupId'])} to {target}:{rule['FromPort']}"
        for target, rule in several
        if "SourceSecurityGroupId" in rule and "FromPort" in rule
    }


def attribute(kind: str, key: str) -> Callable[[Said], Any]:
    """An attribute of CloudFormation's load balancer or target groups; all have the same."""
    name = f"{kind}Attributes"

    def read(said: Said) -> Any:
        several = said.all(f"AWS::ElasticLoadBalancingV2::{kind}")
        return {each["Value"] for one in several for each in one[name] if each["Key"] == key}

    return read


def alarms(said: Said) -> set[str]:
    """Namespace and metric of Terraform's alarms: those of the table in ``modules/monitoring``, and those beside it."""
    text = str(
        [said.local(name) for name in ("fixed", "replicas", "cache_busy", "cache_full", "cache_lag", "gateways")]
    )
    found = re.findall(r"namespace'?(?: =|:) ['\"]([\w/]+)['\"],.*?metric'?(?: =|:) ['\"](\w+)['\"]", text)
    beside = [(each["namespace"], each["metric_name"]) for each in said.all("aws_cloudwatch_metric_alarm")]
    return {f"{namespace} {metric}" for namespace, metric in [*found, *beside] if "${" not in namespace}


def managed_rules(said: Said) -> list[str]:
    """The rule groups of AWS that CloudFormation's firewalls use."""
    return re.findall(r"AWSManagedRules\w+", str(said.all("AWS::WAFv2::WebACL")))


def subjects(text: str) -> list[str]:
    """What GitHub's tokens must say, after the repository's name."""
    return re.findall(r"repo:[^:]+:([\w:/.-]+)", text)


FACTS = [
    *CLUSTER,
    Fact(
        "cluster: nodes",
        lambda said: [said.one("AWS::EKS::Nodegroup")["ScalingConfig"][key] for key in ("MinSize", "MaxSize")],
        lambda said: [said.one("aws_eks_node_group")["scaling_config"][0][key] for key in ("min_size", "max_size")],
    ),
    Fact(
        "cluster: encrypted with a key of one's own",
        lambda said: said.one("AWS::EKS::Cluster")["EncryptionConfig"][0]["Resources"],
        lambda said: said.one("aws_eks_cluster")["encryption_config"][0]["resources"],
    ),
    Fact(
        "cluster: logs",
        lambda said: [
            each["Type"] for each in said.one("AWS::EKS::Cluster")["Logging"]["ClusterLogging"]["EnabledTypes"]
        ],
        lambda said: said.one("aws_eks_cluster")["enabled_cluster_log_types"],
    ),
    Fact(
        "network: addresses",
        lambda said: said.one("AWS::EC2::VPC")["CidrBlock"],
        lambda said: said.local("cidr"),
    ),
    Fact(
        "network: zones",
        lambda said: said.one("parameters")["Zones"].split(","),
        lambda said: said.local("zones"),
    ),
    Fact(
        "network: a gateway in each zone",
        lambda said: said.one("parameters")["NatPerZone"],
        lambda said: said.local("nat_per_zone"),
    ),
    Fact(
        "network: who connects to whom",
        paths,
        lambda said: {f"{each['from']} to {each['to']}:{each['port']}" for each in said.local("paths").values()},
    ),
    Fact(
        "balancer: TLS, and no plain HTTP",
        lambda said: [(each["Port"], each["SslPolicy"]) for each in said.all("AWS::ElasticLoadBalancingV2::Listener")],
        lambda said: [(each["port"], each["ssl_policy"]) for each in said.all("aws_lb_listener")],
    ),
    Fact(
        "balancer: the page in maintenance",
        lambda said: [
            (each["Priority"], answer["StatusCode"], answer["ContentType"], answer["MessageBody"])
            for each in said.all("AWS::ElasticLoadBalancingV2::ListenerRule")
            for action in each["Actions"]
            if (answer := action.get("FixedResponseConfig"))
        ],
        lambda said: [
            (each["priority"], answer["status_code"], answer["content_type"], answer["message_body"])
            for each in said.all("aws_lb_listener_rule")
            for action in each["action"]
            for answer in action.get("fixed_response", [])
        ],
    ),
    Fact(
        "balancer: invalid headers are dropped",
        attribute("LoadBalancer", "routing.http.drop_invalid_header_fields.enabled"),
        lambda said: {said.one("aws_lb")["drop_invalid_header_fields"]},
    ),
    Fact(
        "balancer: deletion protection",
        attribute("LoadBalancer", "deletion_protection.enabled"),
        lambda said: {said.one("aws_lb")["enable_deletion_protection"]},
    ),
    Fact(
        "balancer: drain",
        attribute("TargetGroup", "deregistration_delay.timeout_seconds"),
        lambda said: {said.one("aws_lb_target_group")["deregistration_delay"]},
    ),
    Fact(
        "balancer: health check",
        lambda said: {
            (each["HealthCheckPath"], each["HealthCheckIntervalSeconds"], each["UnhealthyThresholdCount"])
            for each in said.all("AWS::ElasticLoadBalancingV2::TargetGroup")
        },
        lambda said: {
            (path, each["interval"], each["unhealthy_threshold"])
            for each in said.one("aws_lb_target_group")["health_check"]
            for path in re.findall(r'"(/[^"]*)"', each["path"])  # chosen by each.key
        },
    ),
    Fact(
        "firewall: rules",
        managed_rules,
        lambda said: [
            *said.local("managed_rules"),
            *re.findall(r"AWSManagedRules\w+", str([each.get("rule") for each in said.all("aws_wafv2_web_acl")])),
        ],
    ),
    Fact(
        "firewall: requests in 5 minutes",
        lambda said: re.findall(r"'Limit': '?(\d+)", str(said.all("AWS::WAFv2::WebACL"))),
        lambda said: re.findall(r"'limit': (\d+)", str(said.all("aws_wafv2_web_acl"))),
    ),
    Fact(
        "cdn: TLS",
        lambda said: said.one("AWS::CloudFront::Distribution")["DistributionConfig"]["ViewerCertificate"][
            "MinimumProtocolVersion"
        ],
        lambda said: said.one("aws_cloudfront_distribution")["viewer_certificate"][0]["minimum_protocol_version"],
    ),
    Fact(
        "cdn: plain HTTP is redirected",
        lambda said: said.one("AWS::CloudFront::Distribution")["DistributionConfig"]["DefaultCacheBehavior"][
            "ViewerProtocolPolicy"
        ],
        lambda said: said.one("aws_cloudfront_distribution")["default_cache_behavior"][0]["viewer_protocol_policy"],
    ),
    Fact(
        "alarms: what they watch",
        lambda said: {f"{each['Namespace']} {each['MetricName']}" for each in said.all("AWS::CloudWatch::Alarm")},
        alarms,
    ),
    Fact(
        "roles: what GitHub's tokens must say",
        lambda said: subjects(str(said.all("AWS::IAM::Role"))),
        lambda said: subjects(str(said.local("subjects"))),
    ),
    Fact(
        "roles: pods that have one",
        lambda said: re.findall(r"system:serviceaccount:([\w:-]+)", str(said.all("AWS::IAM::Role"))),
        lambda said: said.local("accounts").values(),
    ),
]
