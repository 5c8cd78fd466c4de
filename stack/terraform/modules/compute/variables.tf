variable "name" {
  description = "Prefix of every name; the cluster's name."
  type        = string
}

variable "kubernetes_version" {
  type = string
}

variable "namespace" {
  description = "Kubernetes' namespace of the application; the deploy role may change this one only."
  type        = string
}

variable "deploy_role_arn" {
  type = string
}

variable "requests_per_5_minutes_max" {
  description = "From one address; above it the firewall answers 403."
  type        = number
}

variable "maintenance" {
  description = "The balancer answers with its own page, 503, instead of passing requests on."
  type        = bool
}

variable "node_class" {
  type = string
}

variable "nodes_min" {
  description = "At least three, one in each zone."
  type        = number

  validation {
    condition     = var.nodes_min >= 3
    error_message = "Name at least three nodes: one in each zone."
  }
}

variable "nodes_max" {
  type = number
}

variable "vpc_id" {
  type = string
}

variable "public_subnet_ids" {
  type = list(string)
}

variable "private_subnet_ids" {
  type = list(string)
}

variable "security_group_ids" {
  description = "By role: balancer, cluster, nodes."
  type        = map(string)
}

variable "role_arns" {
  description = "By who takes it: cluster, nodes."
  type        = map(string)
}

variable "key_arn" {
  type = string
}

variable "certificate_arn" {
  description = "Of the load balancer, in its region."
  type        = string
}

variable "log_bucket" {
  type = string
}

variable "database_secret_arn" {
  type = string
}

variable "cache_arn" {
  type = string
}

variable "cache_user_arn" {
  type = string
}
