variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "notices_url" {
  description = "Where alarms are sent, HTTPS; the pager's service confirms it by itself."
  type        = string
}

variable "key_arn" {
  type = string
}

variable "key_us_east_1_arn" {
  type = string
}

variable "database" {
  type = string
}

variable "database_replicas" {
  type = list(string)
}

variable "database_connections_max" {
  type = number
}

variable "database_allocated_gb" {
  type = number
}

variable "cache" {
  type = string
}

variable "cache_nodes" {
  type = number
}

variable "cluster" {
  type = string
}

variable "balancer_arn_suffix" {
  type = string
}

variable "target_group_arn_suffixes" {
  type = map(string)
}

variable "backup_vault" {
  type = string
}

variable "nat_gateway_ids" {
  type = map(string)
}

variable "distribution_id" {
  type = string
}

variable "balancer_certificate_arn" {
  type = string
}

variable "firewall" {
  description = "Name of the load balancer's."
  type        = string
}
