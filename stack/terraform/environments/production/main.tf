# The same in every environment; what differs is in settings.tf.
module "iam" {
  source            = "../../shared/iam"
  name              = local.name
  environment       = local.environment
  github_repository = var.github_repository
}

module "networking" {
  source       = "../../modules/networking"
  name         = local.name
  cidr         = local.cidr
  zones        = local.zones
  nat_per_zone = local.nat_per_zone
}

module "security" {
  source           = "../../shared/security"
  providers        = { aws = aws, aws.us_east_1 = aws.us_east_1, aws.recovery = aws.recovery }
  name             = local.name
  vpc_id           = module.networking.vpc_id
  environment      = local.environment
  backup_role_arn  = module.iam.role_arns["backup"]
  backup_lock_days = local.backup_lock_days
  vault_min_days   = local.vault_min_days
  vault_max_days   = local.vault_max_days
  log_object_days  = local.log_object_days
}

module "database" {
  source                     = "../../modules/database"
  name                       = local.name
  environment                = local.environment
  instance_class             = local.database_class
  allocated_gb               = local.database_allocated_gb
  connections_max            = local.database_connections_max
  multi_az                   = local.database_multi_az
  replicas                   = local.database_replicas
  backup_retention_days      = local.database_backup_days
  subnet_ids                 = module.networking.data_subnet_ids
  security_group_id          = module.security.security_group_ids["database"]
  rotation_subnet_ids        = module.networking.private_subnet_ids
  rotation_security_group_id = module.security.security_group_ids["rotation"]
  key_arn                    = module.security.key_arn
  monitoring_role_arn        = module.iam.role_arns["monitoring"]
}

module "caching" {
  source            = "../../modules/caching"
  name              = local.name
  node_type         = local.cache_class
  replicas          = local.cache_replicas
  subnet_ids        = module.networking.data_subnet_ids
  security_group_id = module.security.security_group_ids["cache"]
  key_arn           = module.security.key_arn
}

module "compute" {
  source                     = "../../modules/compute"
  name                       = local.name
  kubernetes_version         = local.kubernetes_version
  namespace                  = local.namespace
  node_class                 = local.node_class
  nodes_min                  = local.nodes_min
  nodes_max                  = local.nodes_max
  vpc_id                     = module.networking.vpc_id
  public_subnet_ids          = module.networking.public_subnet_ids
  private_subnet_ids         = module.networking.private_subnet_ids
  security_group_ids         = module.security.security_group_ids
  role_arns                  = module.iam.role_arns
  key_arn                    = module.security.key_arn
  certificate_arn            = var.balancer_certificate_arn
  log_bucket                 = module.security.bucket_names["logs"]
  database_secret_arn        = module.database.secret_arn
  cache_arn                  = module.caching.arn
  cache_user_arn             = module.caching.user_arn
  deploy_role_arn            = module.iam.deploy_role_arn
  requests_per_5_minutes_max = local.requests_per_5_minutes_max
  maintenance                = var.maintenance
}

module "cdn" {
  source            = "../../modules/cdn"
  providers         = { aws = aws, aws.us_east_1 = aws.us_east_1 }
  name              = local.name
  domain            = var.domain
  origin_domain     = "origin.${var.domain}"
  hosted_zone_id    = var.hosted_zone_id
  certificate_arn   = var.cdn_certificate_arn
  balancer_dns_name = module.compute.balancer_dns_name
}

module "monitoring" {
  source                    = "../../modules/monitoring"
  providers                 = { aws = aws, aws.us_east_1 = aws.us_east_1 }
  name                      = local.name
  notices_url               = var.notices_url
  key_arn                   = module.security.key_arn
  key_us_east_1_arn         = module.security.key_us_east_1_arn
  database                  = module.database.identifier
  database_replicas         = module.database.replica_identifiers
  database_connections_max  = local.database_connections_max
  database_allocated_gb     = local.database_allocated_gb
  cache                     = module.caching.replication_group_id
  cache_nodes               = 1 + local.cache_replicas
  cluster                   = module.compute.cluster_name
  balancer_arn_suffix       = module.compute.balancer_arn_suffix
  target_group_arn_suffixes = module.compute.target_group_arn_suffixes
  backup_vault              = module.security.backup_vault_name
  balancer_certificate_arn  = var.balancer_certificate_arn
  firewall                  = module.compute.firewall
  nat_gateway_ids           = module.networking.nat_gateway_ids
  distribution_id           = module.cdn.distribution_id
}
