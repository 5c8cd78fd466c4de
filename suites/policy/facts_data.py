"""Where data is: database, cache, secrets, buckets, backups, keys, logs."""

from __future__ import annotations

import re
from typing import Any

from suites.policy.facts import Fact, Said, properties

DATABASE = properties(
    "database",
    lambda said: said.one("AWS::RDS::DBInstance", "Primary"),
    lambda said: said.one("aws_db_instance", "main"),
    """
    Engine                        engine
    EngineVersion                 engine_version
    DBInstanceIdentifier          identifier
    DBInstanceClass               instance_class
    AllocatedStorage              allocated_storage
    MaxAllocatedStorage           max_allocated_storage
    StorageEncrypted              storage_encrypted
    MultiAZ                       multi_az
    PubliclyAccessible            publicly_accessible
    BackupRetentionPeriod         backup_retention_period
    DeletionProtection            deletion_protection
    DeleteAutomatedBackups        delete_automated_backups
    CopyTagsToSnapshot            copy_tags_to_snapshot
    AutoMinorVersionUpgrade       auto_minor_version_upgrade
    MonitoringInterval            monitoring_interval
    EnableCloudwatchLogsExports   enabled_cloudwatch_logs_exports
    """,
)
CACHE = properties(
    "cache",
    lambda said: said.one("AWS::ElastiCache::ReplicationGroup"),
    lambda said: said.one("aws_elasticache_replication_group"),
    """
    Engine                        engine
    EngineVersion                 engine_version
    ReplicationGroupId            replication_group_id
    CacheNodeType                 node_type
    NumCacheClusters              num_cache_clusters
    AutomaticFailoverEnabled      automatic_failover_enabled
    MultiAZEnabled                multi_az_enabled
    AtRestEncryptionEnabled       at_rest_encryption_enabled
    TransitEncryptionEnabled      transit_encryption_enabled
    TransitEncryptionMode         transit_encryption_mode
    SnapshotRetentionLimit        snapshot_retention_limit
    """,
)


def parameters(said: Said) -> dict[str, Any]:
    """The settings of the database, from Terraform."""
    return {each["name"]: each["value"] for each in said.one("aws_db_parameter_group", "main")["parameter"]}


FACTS = [
    *DATABASE,
    *CACHE,
    Fact(
        "database: replicas",
        lambda said: sum("SourceDBInstanceIdentifier" in each for each in said.all("AWS::RDS::DBInstance")),
        lambda said: said.one("aws_db_instance", "replica")["count"],
    ),
    Fact(
        "database: a last snapshot is kept",
        lambda said: said.policy("AWS::RDS::DBInstance", "Primary") == "Snapshot",
        lambda said: not said.one("aws_db_instance", "main")["skip_final_snapshot"],
    ),
    Fact(
        "database: settings",
        lambda said: said.one("AWS::RDS::DBParameterGroup")["Parameters"],
        parameters,
    ),
    Fact(
        "database: family of settings",
        lambda said: said.one("AWS::RDS::DBParameterGroup")["Family"],
        lambda said: said.one("aws_db_parameter_group")["family"],
    ),
    Fact(
        "secrets: names and days to rotation",
        lambda said: (
            sorted(each["Name"] for each in said.all("AWS::SecretsManager::Secret")),
            [
                each["RotationRules"]["AutomaticallyAfterDays"]
                for each in said.all("AWS::SecretsManager::RotationSchedule")
            ],
        ),
        lambda said: (
            sorted(each["name"] for each in said.all("aws_secretsmanager_secret")),
            [
                each["rotation_rules"][0]["automatically_after_days"]
                for each in said.all("aws_secretsmanager_secret_rotation")
            ],
        ),
    ),
    Fact(
        "buckets: names",
        lambda said: re.findall(r"abacus-\w+-(\w+)-\$\{AWS::AccountId\}'", str(said.all("AWS::S3::Bucket"))),
        lambda said: re.findall(r'"(\w+)"', said.local("buckets")),
    ),
    Fact(
        "buckets: versions",
        lambda said: {each["VersioningConfiguration"]["Status"] for each in said.all("AWS::S3::Bucket")},
        lambda said: {said.one("aws_s3_bucket_versioning")["versioning_configuration"][0]["status"]},
    ),
    Fact(
        "buckets: the backups' lock",
        lambda said: said.named("AWS::S3::Bucket")["BackupBucket"]["ObjectLockConfiguration"]["Rule"][
            "DefaultRetention"
        ].values(),
        lambda said: said.one("aws_s3_bucket_object_lock_configuration")["rule"][0]["default_retention"][0].values(),
    ),
    Fact(
        "backups: when, and how many days they are kept, there and elsewhere",
        lambda said: {
            each["RuleName"]: [
                each["ScheduleExpression"],
                each["Lifecycle"]["DeleteAfterDays"],
                each["CopyActions"][0]["Lifecycle"]["DeleteAfterDays"],
            ]
            for each in said.one("AWS::Backup::BackupPlan")["BackupPlan"]["BackupPlanRule"]
        },
        lambda said: {
            name: [each["schedule"], each["days"], each["days"]] for name, each in said.local("schedules").items()
        },
    ),
    Fact(
        "backups: the vault's lock",
        lambda said: [
            said.one("AWS::Backup::BackupVault")["LockConfiguration"][key]
            for key in ("MinRetentionDays", "MaxRetentionDays", "ChangeableForDays")
        ],
        lambda said: [
            said.one("aws_backup_vault_lock_configuration", "recovery")[key]
            for key in ("min_retention_days", "max_retention_days", "changeable_for_days")
        ],
    ),
    Fact(
        "backups: what is picked up",
        lambda said: said.one("AWS::Backup::BackupSelection")["BackupSelection"]["ListOfTags"][0]["ConditionValue"],
        lambda said: said.one("aws_backup_selection")["selection_tag"][0]["value"],
    ),
    Fact(
        "keys rotate",
        lambda said: {each["EnableKeyRotation"] for each in said.all("AWS::KMS::Key")},
        lambda said: {each["enable_key_rotation"] for each in said.all("aws_kms_key")},
    ),
    Fact(
        "logs: days",
        lambda said: {each["RetentionInDays"] for each in said.all("AWS::Logs::LogGroup")},
        lambda said: {each["retention_in_days"] for each in said.all("aws_cloudwatch_log_group")},
    ),
]
