# infra/aws/cluster.yaml for those who use Terraform: only where `vpc` is given.

locals {
  machines = var.vpc == "" ? 0 : 1
  ec2      = "arn:${data.aws_partition.here.partition}:ec2:${data.aws_region.here.name}"
  account  = data.aws_caller_identity.me.account_id
}

resource "aws_ecr_repository" "images" {
  count                = local.machines
  name                 = var.cluster_name
  image_tag_mutability = "IMMUTABLE"
  image_scanning_configuration {
    scan_on_push = true
  }
}

# Made here because a group that Ray makes is open to SSH from the whole world, whatever rules its config adds.
resource "aws_security_group" "machines" {
  count       = local.machines
  name        = "${var.cluster_name}-machines"
  description = "Machines of the Ray cluster"
  vpc_id      = var.vpc
  ingress {
    description = "SSH"
    protocol    = "tcp"
    from_port   = 22
    to_port     = 22
    cidr_blocks = [var.admin_cidr]
  }
  ingress {
    description = "Ray uses many ports, chosen as it goes"
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    self        = true
  }
  egress {
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
  }
}

data "aws_iam_policy_document" "pull" {
  statement {
    sid       = "Login"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }
  statement {
    sid       = "Pull"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = aws_ecr_repository.images[*].arn
  }
}

data "aws_iam_policy_document" "head" {
  statement {
    sid       = "Look"
    actions   = ["ec2:DescribeImages", "ec2:DescribeInstances", "ec2:DescribeInstanceTypes"]
    resources = ["*"]
  }
  statement {
    sid       = "StartWorkers"
    actions   = ["ec2:RunInstances"]
    resources = ["${local.ec2}:${local.account}:instance/*"]
    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/ray-cluster-name"
      values   = [var.cluster_name]
    }
  }
  statement {
    sid     = "StartFrom"
    actions = ["ec2:RunInstances"]
    resources = [
      "${local.ec2}::image/*",
      "${local.ec2}:${local.account}:key-pair/*",
      "${local.ec2}:${local.account}:network-interface/*",
      "${local.ec2}:${local.account}:security-group/*",
      "${local.ec2}:${local.account}:spot-instances-request/*",
      "${local.ec2}:${local.account}:subnet/*",
      "${local.ec2}:${local.account}:volume/*",
    ]
  }
  statement {
    sid       = "TagWhatItStarts"
    actions   = ["ec2:CreateTags"]
    resources = ["${local.ec2}:${local.account}:instance/*"]
    condition {
      test     = "StringEquals"
      variable = "ec2:CreateAction"
      values   = ["RunInstances"]
    }
  }
  statement {
    sid       = "KeepAndEndItsOwn"
    actions   = ["ec2:CreateTags", "ec2:TerminateInstances"]
    resources = ["${local.ec2}:${local.account}:instance/*"]
    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/ray-cluster-name"
      values   = [var.cluster_name]
    }
  }
  statement {
    sid       = "GiveWorkersTheirRole"
    actions   = ["iam:PassRole"]
    resources = [aws_iam_role.trainer.arn]
    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "head" {
  count              = local.machines
  name               = "${var.bucket_name}-head"
  description        = "Starts and ends the workers of one cluster; Ray's own default would be all of EC2 and all of S3"
  assume_role_policy = data.aws_iam_policy_document.machine_trust.json
}

resource "aws_iam_role_policy" "head" {
  count  = local.machines
  name   = "scale"
  role   = aws_iam_role.head[0].id
  policy = data.aws_iam_policy_document.head.json
}

resource "aws_iam_role_policy_attachment" "head" {
  count      = local.machines
  role       = aws_iam_role.head[0].name
  policy_arn = aws_iam_policy.trainer.arn
}

resource "aws_iam_role_policy" "pull" {
  for_each = var.vpc == "" ? {} : { head = aws_iam_role.head[0].id, trainer = aws_iam_role.trainer.id }
  name     = "pull"
  role     = each.value
  policy   = data.aws_iam_policy_document.pull.json
}

resource "aws_iam_instance_profile" "head" {
  count = local.machines
  name  = "${var.bucket_name}-head"
  role  = aws_iam_role.head[0].name
}

output "images" {
  value = one(aws_ecr_repository.images[*].repository_url)
}

output "security_group" {
  value = one(aws_security_group.machines[*].id)
}

output "head_profile" {
  value = one(aws_iam_instance_profile.head[*].name)
}
