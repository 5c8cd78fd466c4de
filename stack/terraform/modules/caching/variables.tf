variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "node_type" {
  type = string

  validation {
    condition     = startswith(var.node_type, "cache.")
    error_message = "A cache's class begins with cache., for example cache.r7g.large."
  }
}

variable "replicas" {
  description = "Beside the primary; at least one, or nothing fails over."
  type        = number

  validation {
    condition     = var.replicas >= 1
    error_message = "Name at least one replica."
  }
}

variable "subnet_ids" {
  type = list(string)
}

variable "security_group_id" {
  type = string
}

variable "key_arn" {
  type = string
}
