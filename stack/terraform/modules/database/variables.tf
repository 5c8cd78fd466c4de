variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "environment" {
  description = "development, staging or production; part of the secret's name."
  type        = string
}

variable "instance_class" {
  type = string

  validation {
    condition     = startswith(var.instance_class, "db.")
    error_message = "A database's class begins with db., for example db.r7g.large."
  }
}

variable "allocated_gb" {
  description = "Storage at the beginning; it grows by itself up to five times this."
  type        = number
}

variable "connections_max" {
  description = "At least replicas times pool (stack/kubernetes/base/settings.yaml), and some for operators."
  type        = number
}

variable "multi_az" {
  description = "A synchronous standby in another zone."
  type        = bool
}

variable "replicas" {
  description = "Read replicas; they are asynchronous and are none of the promises about lost writes."
  type        = number
}

variable "backup_retention_days" {
  description = "How far back any moment can be restored; 35 is the most."
  type        = number
}

variable "subnet_ids" {
  type = list(string)
}

variable "security_group_id" {
  type = string
}

variable "rotation_subnet_ids" {
  description = "Private subnets: the function that rotates must reach Secrets Manager."
  type        = list(string)
}

variable "rotation_security_group_id" {
  description = "Of the function that rotates the application's password."
  type        = string
}

variable "key_arn" {
  type = string
}

variable "monitoring_role_arn" {
  type = string
}
