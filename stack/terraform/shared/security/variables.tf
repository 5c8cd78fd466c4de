variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "vpc_id" {
  type = string
}

variable "cloudfront_prefix_list" {
  description = "Name of AWS's list of CloudFront's addresses."
  type        = string
  default     = "com.amazonaws.global.cloudfront.origin-facing"
}

variable "backup_role_arn" {
  type = string
}

variable "environment" {
  type = string
}

variable "backup_lock_days" {
  description = "Nobody, not even the account's owner, removes an object of the backups' bucket earlier."
  type        = number
}

variable "vault_min_days" {
  type = number
}

variable "vault_max_days" {
  type = number
}

variable "log_object_days" {
  description = "How long the logs of the load balancer and of the buckets are kept."
  type        = number
}
