# What pages. "missing" says what no data means: a count of errors is silent when all is well, a busy machine is not.
locals {
  database = { DBInstanceIdentifier = var.database }
  cluster  = { ClusterName = var.cluster }
  vault    = { BackupVaultName = var.backup_vault }
  balancer = { LoadBalancer = var.balancer_arn_suffix }
  api      = merge(local.balancer, { TargetGroup = var.target_group_arn_suffixes["api"] })
  frontend = merge(local.balancer, { TargetGroup = var.target_group_arn_suffixes["frontend"] })
  firewall = { WebACL = var.firewall, Region = data.aws_region.current.region, Rule = "ALL" }
  # Any node may be the primary after a failover, so each is watched.
  cache_nodes = [for i in range(var.cache_nodes) : format("%s-%03d", var.cache, i + 1)]

  fixed = {
    database-busy = {
      namespace  = "AWS/RDS"
      metric     = "CPUUtilization"
      dimensions = local.database
      statistic  = "Average"
      comparison = "GreaterThanThreshold"
      threshold  = 80
      period_s   = 60
      periods    = 10
      missing    = "breaching"
    }
    # A tenth of the storage is left.
    database-full = {
      namespace  = "AWS/RDS"
      metric     = "FreeStorageSpace"
      dimensions = local.database
      statistic  = "Minimum"
      comparison = "LessThanThreshold"
      threshold  = var.database_allocated_gb * 100000000
      period_s   = 60
      periods    = 5
      missing    = "breaching"
    }
    database-memory = {
      namespace  = "AWS/RDS"
      metric     = "FreeableMemory"
      dimensions = local.database
      statistic  = "Minimum"
      comparison = "LessThanThreshold"
      threshold  = 256000000
      period_s   = 60
      periods    = 5
      missing    = "missing"
    }
    database-connections = {
      namespace  = "AWS/RDS"
      metric     = "DatabaseConnections"
      dimensions = local.database
      statistic  = "Maximum"
      comparison = "GreaterThanThreshold"
      threshold  = floor(var.database_connections_max * 0.8)
      period_s   = 60
      periods    = 3
      missing    = "missing"
    }
    # A replica that is gone, or a slot that nobody reads, keeps the log until the disk is full.
    database-log = {
      namespace  = "AWS/RDS"
      metric     = "TransactionLogsDiskUsage"
      dimensions = local.database
      statistic  = "Maximum"
      comparison = "GreaterThanThreshold"
      threshold  = var.database_allocated_gb * 200000000
      period_s   = 60
      periods    = 5
      missing    = "missing"
    }
    balancer-errors = {
      namespace  = "AWS/ApplicationELB"
      metric     = "HTTPCode_ELB_5XX_Count"
      dimensions = local.balancer
      statistic  = "Sum"
      comparison = "GreaterThanThreshold"
      threshold  = 10
      period_s   = 60
      periods    = 2
      missing    = "notBreaching"
    }
    api-errors = {
      namespace  = "AWS/ApplicationELB"
      metric     = "HTTPCode_Target_5XX_Count"
      dimensions = local.api
      statistic  = "Sum"
      comparison = "GreaterThanThreshold"
      threshold  = 10
      period_s   = 60
      periods    = 2
      missing    = "notBreaching"
    }
    api-slow = {
      namespace  = "AWS/ApplicationELB"
      metric     = "TargetResponseTime"
      dimensions = local.api
      statistic  = "p99"
      comparison = "GreaterThanThreshold"
      threshold  = 1
      period_s   = 60
      periods    = 3
      missing    = "notBreaching"
    }
    # One more lost is an outage.
    api-hosts = {
      namespace  = "AWS/ApplicationELB"
      metric     = "HealthyHostCount"
      dimensions = local.api
      statistic  = "Minimum"
      comparison = "LessThanThreshold"
      threshold  = 2
      period_s   = 60
      periods    = 2
      missing    = "breaching"
    }
    frontend-hosts = {
      namespace  = "AWS/ApplicationELB"
      metric     = "HealthyHostCount"
      dimensions = local.frontend
      statistic  = "Minimum"
      comparison = "LessThanThreshold"
      threshold  = 2
      period_s   = 60
      periods    = 2
      missing    = "breaching"
    }
    # An attack, or a rule that hits users.
    firewall-blocks = {
      namespace  = "AWS/WAFV2"
      metric     = "BlockedRequests"
      dimensions = local.firewall
      statistic  = "Sum"
      comparison = "GreaterThanThreshold"
      threshold  = 1000
      period_s   = 60
      periods    = 3
      missing    = "notBreaching"
    }
    nodes-failed = {
      namespace  = "ContainerInsights"
      metric     = "cluster_failed_node_count"
      dimensions = local.cluster
      statistic  = "Maximum"
      comparison = "GreaterThanThreshold"
      threshold  = 0
      period_s   = 60
      periods    = 3
      missing    = "breaching"
    }
    pods-pending = {
      namespace  = "AWS/EKS"
      metric     = "scheduler_pending_pods_UNSCHEDULABLE"
      dimensions = local.cluster
      statistic  = "Maximum"
      comparison = "GreaterThanThreshold"
      threshold  = 0
      period_s   = 60
      periods    = 5
      missing    = "notBreaching"
    }
    # It renews itself 60 days before; at 21 that has failed.
    certificate-expires = {
      namespace  = "AWS/CertificateManager"
      metric     = "DaysToExpiry"
      dimensions = { CertificateArn = var.balancer_certificate_arn }
      statistic  = "Minimum"
      comparison = "LessThanThreshold"
      threshold  = 21
      period_s   = 86400
      periods    = 1
      missing    = "missing"
    }
    backups-failed = {
      namespace  = "AWS/Backup"
      metric     = "NumberOfBackupJobsFailed"
      dimensions = local.vault
      statistic  = "Sum"
      comparison = "GreaterThanThreshold"
      threshold  = 0
      period_s   = 3600
      periods    = 1
      missing    = "notBreaching"
    }
    backups-missing = {
      namespace  = "AWS/Backup"
      metric     = "NumberOfBackupJobsCompleted"
      dimensions = local.vault
      statistic  = "Sum"
      comparison = "LessThanThreshold"
      threshold  = 1
      period_s   = 86400
      periods    = 1
      missing    = "breaching"
    }
  }
  replicas = {
    for identifier in var.database_replicas : "${identifier}-lag" => {
      namespace  = "AWS/RDS"
      metric     = "ReplicaLag"
      dimensions = { DBInstanceIdentifier = identifier }
      statistic  = "Maximum"
      comparison = "GreaterThanThreshold"
      threshold  = 30
      period_s   = 60
      periods    = 5
      missing    = "breaching"
    }
  }
  cache_busy = {
    for node in local.cache_nodes : "${node}-busy" => {
      namespace  = "AWS/ElastiCache"
      metric     = "EngineCPUUtilization"
      dimensions = { CacheClusterId = node }
      statistic  = "Maximum"
      comparison = "GreaterThanThreshold"
      threshold  = 80
      period_s   = 60
      periods    = 5
      missing    = "missing"
    }
  }
  cache_full = {
    for node in local.cache_nodes : "${node}-full" => {
      namespace  = "AWS/ElastiCache"
      metric     = "DatabaseMemoryUsagePercentage"
      dimensions = { CacheClusterId = node }
      statistic  = "Maximum"
      comparison = "GreaterThanThreshold"
      threshold  = 80
      period_s   = 60
      periods    = 5
      missing    = "breaching"
    }
  }
  cache_lag = {
    for node in local.cache_nodes : "${node}-lag" => {
      namespace  = "AWS/ElastiCache"
      metric     = "ReplicationLag"
      dimensions = { CacheClusterId = node }
      statistic  = "Maximum"
      comparison = "GreaterThanThreshold"
      threshold  = 10
      period_s   = 60
      periods    = 5
      missing    = "missing"
    }
  }
  gateways = {
    for zone, id in var.nat_gateway_ids : "nat-${zone}" => {
      namespace  = "AWS/NATGateway"
      metric     = "ErrorPortAllocation"
      dimensions = { NatGatewayId = id }
      statistic  = "Sum"
      comparison = "GreaterThanThreshold"
      threshold  = 0
      period_s   = 60
      periods    = 2
      missing    = "notBreaching"
    }
  }
  alarms = merge(
    local.fixed, local.replicas, local.cache_busy, local.cache_full, local.cache_lag, local.gateways
  )
}

resource "aws_cloudwatch_metric_alarm" "main" {
  for_each            = local.alarms
  alarm_name          = "${var.name}-${each.key}"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = each.value.period_s
  evaluation_periods  = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.pager.arn]
  ok_actions          = [aws_sns_topic.pager.arn]
}
