variable "account_id" {
  description = "The account that this environment may be deployed to; any other is refused."
  type        = string
}

variable "domain" {
  type = string
}

variable "hosted_zone_id" {
  type = string
}

variable "maintenance" {
  description = "true: clients get a page that says so, and nothing reaches the application."
  type        = bool
  default     = false
}

variable "balancer_certificate_arn" {
  description = "Covers origin.<domain>, in us-west-2."
  type        = string
}

variable "cdn_certificate_arn" {
  description = "Covers <domain>, in us-east-1."
  type        = string
}

variable "notices_url" {
  description = "Where alarms are sent, HTTPS; the pager's service."
  type = string
}

variable "github_repository" {
  description = "OWNER/NAME."
  type        = string
}
