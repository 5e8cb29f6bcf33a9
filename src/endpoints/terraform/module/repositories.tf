resource "aws_ecr_repository" "images" {
  for_each = var.repositories

  name                 = each.key
  image_tag_mutability = var.repository_settings.immutable_tags ? "IMMUTABLE" : "MUTABLE"

  image_scanning_configuration {
    scan_on_push = var.repository_settings.scan_on_push
  }

  dynamic "encryption_configuration" {
    for_each = var.repository_settings.kms_key_arn == null ? [] : [var.repository_settings.kms_key_arn]

    content {
      encryption_type = "KMS"
      kms_key         = encryption_configuration.value
    }
  }

  tags = local.tags

  lifecycle {
    # Nodes pull from it. Another encryption would replace the repository and delete its images, and one that exists keeps
    # its settings.
    prevent_destroy = true
    ignore_changes  = [encryption_configuration, image_tag_mutability, image_scanning_configuration]
  }
}

resource "aws_ecr_repository_policy" "pull" {
  for_each = length(var.repository_settings.pull_principals) > 0 ? aws_ecr_repository.images : {}

  repository = each.value.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AllowPull"
      Effect    = "Allow"
      Principal = { AWS = var.repository_settings.pull_principals }
      Action    = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    }]
  })
}

resource "aws_ecr_lifecycle_policy" "untagged" {
  for_each = var.repository_settings.expire_untagged_after_days == null ? {} : aws_ecr_repository.images

  repository = each.value.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Expire untagged images after ${var.repository_settings.expire_untagged_after_days} days"
      selection = {
        tagStatus   = "untagged"
        countType   = "sinceImagePushed"
        countUnit   = "days"
        countNumber = var.repository_settings.expire_untagged_after_days
      }
      action = { type = "expire" }
    }]
  })
}
