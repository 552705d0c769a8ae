# Who may do what with the bucket; see infra/aws/bucket.yaml for the reasons.

data "aws_iam_policy_document" "trainer" {
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.bucket.arn]
  }
  statement {
    sid       = "Read"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.bucket.arn}/raw/*", "${aws_s3_bucket.bucket.arn}/runs/*"]
  }
  statement {
    sid       = "Write"
    actions   = ["s3:PutObject", "s3:AbortMultipartUpload"]
    resources = ["${aws_s3_bucket.bucket.arn}/runs/*"]
  }
  statement {
    sid       = "DropCheckpoints"
    actions   = ["s3:DeleteObject"]
    resources = ["${aws_s3_bucket.bucket.arn}/runs/checkpoints/*", "${aws_s3_bucket.bucket.arn}/runs/.ssgan-probe/*"]
  }
}

data "aws_iam_policy_document" "submitter" {
  statement {
    sid       = "Read"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.bucket.arn}/dvc/*"]
  }
  statement {
    sid       = "Write"
    actions   = ["s3:PutObject", "s3:AbortMultipartUpload"]
    resources = ["${aws_s3_bucket.bucket.arn}/raw/*", "${aws_s3_bucket.bucket.arn}/dvc/*"]
  }
}

data "aws_iam_policy_document" "janitor" {
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"]
    resources = [aws_s3_bucket.bucket.arn]
  }
  statement {
    sid       = "Clean"
    actions   = ["s3:GetObject", "s3:GetObjectVersion", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload"]
    resources = ["${aws_s3_bucket.bucket.arn}/runs/*", "${aws_s3_bucket.bucket.arn}/dvc/*"]
  }
}

data "aws_iam_policy_document" "machine_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "pod_trust" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = ["arn:${data.aws_partition.here.partition}:iam::${data.aws_caller_identity.me.account_id}:oidc-provider/${var.oidc_provider}"]
    }
    condition {
      test     = "StringEquals"
      variable = "${var.oidc_provider}:aud"
      values   = ["sts.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "${var.oidc_provider}:sub"
      values   = ["system:serviceaccount:${var.service_account}"]
    }
  }
}

data "aws_iam_policy_document" "janitor_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = [var.janitor_principal]
    }
  }
}

resource "aws_iam_policy" "trainer" {
  name        = "${var.bucket_name}-trainer"
  description = "Reads raw images, writes runs, deletes checkpoints in flight and nothing else"
  policy      = data.aws_iam_policy_document.trainer.json
}

resource "aws_iam_policy" "submitter" {
  name        = "${var.bucket_name}-submitter"
  description = "Beside the trainer's, for people who bring images and use DVC; without a right to delete"
  policy      = data.aws_iam_policy_document.submitter.json
}

resource "aws_iam_role" "trainer" {
  name               = "${var.bucket_name}-trainer"
  description        = "Of the virtual machines that train"
  assume_role_policy = data.aws_iam_policy_document.machine_trust.json
}

resource "aws_iam_role_policy_attachment" "trainer" {
  role       = aws_iam_role.trainer.name
  policy_arn = aws_iam_policy.trainer.arn
}

resource "aws_iam_instance_profile" "trainer" {
  name = "${var.bucket_name}-trainer"
  role = aws_iam_role.trainer.name
}

resource "aws_iam_role" "trainer_pod" {
  count              = var.oidc_provider == "" ? 0 : 1
  name               = "${var.bucket_name}-trainer-pod"
  description        = "Of the pods that train"
  assume_role_policy = data.aws_iam_policy_document.pod_trust.json
}

resource "aws_iam_role_policy_attachment" "trainer_pod" {
  count      = var.oidc_provider == "" ? 0 : 1
  role       = aws_iam_role.trainer_pod[0].name
  policy_arn = aws_iam_policy.trainer.arn
}

resource "aws_iam_role" "janitor" {
  name                 = "${var.bucket_name}-janitor"
  description          = "Deletes runs and brings deleted ones back; taken on by a person for an hour at most"
  max_session_duration = 3600
  assume_role_policy   = data.aws_iam_policy_document.janitor_trust.json
}

resource "aws_iam_role_policy" "janitor" {
  name   = "clean"
  role   = aws_iam_role.janitor.id
  policy = data.aws_iam_policy_document.janitor.json
}

output "trainer_profile" {
  value = aws_iam_instance_profile.trainer.name
}

output "trainer_pod_role" {
  value = one(aws_iam_role.trainer_pod[*].arn)
}

output "janitor_role" {
  value = aws_iam_role.janitor.arn
}
