resource "aws_sns_topic" "pager" {
  name              = "${var.name}-pager"
  kms_master_key_id = var.key_arn
}

resource "aws_sns_topic_subscription" "pager" {
  topic_arn = aws_sns_topic.pager.arn
  protocol  = "https"
  endpoint  = var.notices_url
}

# CloudFront's metrics are in us-east-1, and an alarm tells only topics of its own region.
resource "aws_sns_topic" "pager_us_east_1" {
  provider          = aws.us_east_1
  name              = "${var.name}-pager"
  kms_master_key_id = var.key_us_east_1_arn
}

resource "aws_sns_topic_subscription" "pager_us_east_1" {
  provider  = aws.us_east_1
  topic_arn = aws_sns_topic.pager_us_east_1.arn
  protocol  = "https"
  endpoint  = var.notices_url
}

resource "aws_cloudwatch_metric_alarm" "cdn_errors" {
  provider            = aws.us_east_1
  alarm_name          = "${var.name}-cdn-errors"
  namespace           = "AWS/CloudFront"
  metric_name         = "5xxErrorRate"
  dimensions          = { DistributionId = var.distribution_id, Region = "Global" }
  statistic           = "Average"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 5
  period              = 60
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.pager_us_east_1.arn]
  ok_actions          = [aws_sns_topic.pager_us_east_1.arn]
}

# A rotation that fails is told by no metric, only by an event.
resource "aws_cloudwatch_event_rule" "rotation_fails" {
  name = "${var.name}-rotation-fails"
  event_pattern = jsonencode({
    source      = ["aws.secretsmanager"]
    detail-type = ["AWS Service Event via CloudTrail"]
    detail      = { eventName = ["RotationFailed"] }
  })
}

resource "aws_cloudwatch_event_target" "rotation_fails" {
  rule = aws_cloudwatch_event_rule.rotation_fails.name
  arn  = aws_sns_topic.pager.arn
}

data "aws_iam_policy_document" "pager" {
  statement {
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.pager.arn]
    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com", "events.amazonaws.com"]
    }
  }
}

resource "aws_sns_topic_policy" "pager" {
  arn    = aws_sns_topic.pager.arn
  policy = data.aws_iam_policy_document.pager.json
}
