variable "name" {
  description = "Prefix of every name, for example abacus-production."
  type        = string
}

variable "cidr" {
  description = "The VPC's addresses, a /16."
  type        = string
}

variable "zones" {
  description = "Three availability zones."
  type        = list(string)

  validation {
    condition     = length(distinct(var.zones)) == 3
    error_message = "Name three different zones: with two, the loss of one takes half of everything."
  }
}

variable "nat_per_zone" {
  description = "One gateway in each zone: a shared one cuts two zones off when its own fails."
  type        = bool
}
