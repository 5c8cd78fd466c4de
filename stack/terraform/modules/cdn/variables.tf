variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "domain" {
  type = string
}

variable "hosted_zone_id" {
  type = string
}

variable "certificate_arn" {
  description = "In us-east-1, where CloudFront looks for it."
  type        = string
}

variable "origin_domain" {
  description = "A name of the load balancer that its certificate covers."
  type        = string
}

variable "balancer_dns_name" {
  type = string
}

