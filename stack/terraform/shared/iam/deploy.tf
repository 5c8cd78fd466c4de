# CI signs in with GitHub's token: there is no key that could leak.
resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

locals {
  # What GitHub's token must say: for building the main branch, for deploying the environment, which asks for approval.
  subjects = {
    build  = "repo:${var.github_repository}:ref:refs/heads/main"
    deploy = "repo:${var.github_repository}:environment:${var.environment}"
  }
  repositories = [
    for name in ["abacus-api", "abacus-frontend"] :
    "arn:aws:ecr:${data.aws_region.current.region}:${local.account}:repository/${name}"
  ]
}

data "aws_iam_policy_document" "github" {
  for_each = local.subjects

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.github.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = [each.value]
    }
  }
}

resource "aws_iam_role" "github" {
  for_each             = local.subjects
  name                 = "${var.name}-${each.key}"
  assume_role_policy   = data.aws_iam_policy_document.github[each.key].json
  max_session_duration = 3600
}

data "aws_iam_policy_document" "build" {
  # It takes no resource.
  statement {
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:CompleteLayerUpload",
      "ecr:DescribeImages",
      "ecr:GetDownloadUrlForLayer",
      "ecr:InitiateLayerUpload",
      "ecr:PutImage",
      "ecr:UploadLayerPart",
    ]
    resources = local.repositories
  }
}

data "aws_iam_policy_document" "deploy" {
  statement {
    actions   = ["eks:DescribeCluster"]
    resources = ["arn:aws:eks:${data.aws_region.current.region}:${local.account}:cluster/${var.name}"]
  }

  statement {
    actions   = ["ecr:BatchGetImage", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer"]
    resources = local.repositories
  }
}

resource "aws_iam_role_policy" "github" {
  for_each = {
    build  = data.aws_iam_policy_document.build.json
    deploy = data.aws_iam_policy_document.deploy.json
  }
  name   = each.key
  role   = aws_iam_role.github[each.key].id
  policy = each.value
}

# Whatever is granted to these roles one day, backups stay out of their reach.
data "aws_iam_policy_document" "backups_protected" {
  statement {
    effect = "Deny"
    actions = [
      "backup:Delete*",
      "backup:DisassociateRecoveryPoint",
      "backup:PutBackupVaultAccessPolicy",
      "backup:StopBackupJob",
      "backup:Update*",
      "iam:AttachRolePolicy",
      "iam:CreateAccessKey",
      "iam:CreatePolicyVersion",
      "iam:DeleteRolePolicy",
      "iam:DetachRolePolicy",
      "iam:PutRolePolicy",
      "iam:SetDefaultPolicyVersion",
      "iam:UpdateAssumeRolePolicy",
      "kms:CreateGrant",
      "kms:DisableKey",
      "kms:PutKeyPolicy",
      "kms:ScheduleKeyDeletion",
      "rds:DeleteDBInstance*",
      "rds:DeleteDBSnapshot",
      "rds:ModifyDB*",
      "s3:BypassGovernanceRetention",
      "s3:DeleteBucket*",
      "s3:DeleteObjectVersion",
      "s3:PutBucketObjectLockConfiguration",
      "s3:PutBucketVersioning",
      "s3:PutLifecycleConfiguration",
      "s3:PutObjectLegalHold",
      "s3:PutObjectRetention",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "backups_protected" {
  name        = "${var.name}-backups-protected"
  description = "Nothing that could remove, shorten or lock out a backup"
  policy      = data.aws_iam_policy_document.backups_protected.json
}

resource "aws_iam_role_policy_attachment" "backups_protected" {
  for_each   = local.subjects
  role       = aws_iam_role.github[each.key].name
  policy_arn = aws_iam_policy.backups_protected.arn
}
