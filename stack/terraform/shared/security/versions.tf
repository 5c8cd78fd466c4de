terraform {
  required_version = "~> 1.14.0"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "6.25.0"
      configuration_aliases = [aws.us_east_1, aws.recovery]
    }
  }
}
