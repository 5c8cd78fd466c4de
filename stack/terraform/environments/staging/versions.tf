terraform {
  required_version = "~> 1.14.0"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "6.25.0"
    }
    http = {
      source  = "hashicorp/http"
      version = "3.5.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "3.7.2"
    }
  }

  # The bucket's name is given by -backend-config: it holds the account's number.
  backend "s3" {
    key          = "abacus/staging.tfstate"
    region       = "us-west-2"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region              = "us-west-2"
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = local.tags
  }
}

# CloudFront's firewall and metrics are there.
provider "aws" {
  alias               = "us_east_1"
  region              = "us-east-1"
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = local.tags
  }
}

# Where the second copy of the backups is, and where the stack would be made anew.
provider "aws" {
  alias               = "recovery"
  region              = "us-east-2"
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = local.tags
  }
}
