data "aws_region" "current" {}

# One panel for each alarm, with its metric and its threshold: what pages is what is seen.
resource "aws_cloudwatch_dashboard" "main" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = [
      for i, name in sort(keys(local.alarms)) : {
        type   = "metric"
        x      = (i % 3) * 8
        y      = floor(i / 3) * 6
        width  = 8
        height = 6
        properties = {
          title       = name
          region      = data.aws_region.current.region
          annotations = { alarms = [aws_cloudwatch_metric_alarm.main[name].arn] }
        }
      }
    ]
  })
}
