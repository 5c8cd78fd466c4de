terraform {
  required_version = "~> 1.14.0"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "6.25.0"
      # CloudFront's firewall and metrics are there.
      configuration_aliases = [aws.us_east_1]
    }
  }
}
