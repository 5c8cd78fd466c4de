variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "environment" {
  type = string
}

variable "github_repository" {
  description = "OWNER/NAME; only its workflows may deploy, and only through the environment of this name."
  type        = string
}
