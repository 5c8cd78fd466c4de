resource "aws_lb" "main" {
  name                       = var.name
  load_balancer_type         = "application"
  security_groups            = [var.security_group_ids["balancer"]]
  subnets                    = var.public_subnet_ids
  drop_invalid_header_fields = true
  idle_timeout               = 60
  enable_deletion_protection = true
  # A sick zone is taken out of DNS without anybody's doing.
  enable_zonal_shift = true

  access_logs {
    bucket  = var.log_bucket
    prefix  = "balancer"
    enabled = true
  }
}

# Pods are registered by TargetGroupBindings of the AWS Load Balancer Controller.
resource "aws_lb_target_group" "main" {
  for_each    = { api = 8000, frontend = 3000 }
  name        = "${var.name}-${each.key}"
  vpc_id      = var.vpc_id
  port        = each.value
  protocol    = "HTTP"
  target_type = "ip"
  # Shorter than the pods' drain of 20 s.
  deregistration_delay = 15

  health_check {
    path                = each.key == "api" ? "/api/ready" : "/api/health"
    interval            = 5
    timeout             = 3
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

# Only CloudFront comes here, and it redirects plain HTTP before: there is no listener for it.
resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.main.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.main["frontend"].arn
  }
}

# The balancer answers everything itself, with a page that needs no pod, node or database. Health checks go on.
resource "aws_lb_listener_rule" "maintenance" {
  count        = var.maintenance ? 1 : 0
  listener_arn = aws_lb_listener.https.arn
  priority     = 1

  action {
    type = "fixed-response"

    fixed_response {
      status_code  = "503"
      content_type = "text/html"
      message_body = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><title>Abacus Terminal</title><h1>We will be back soon</h1><p>Abacus Terminal is being worked on. What you were told is saved, is saved.</p></html>"
    }
  }

  condition {
    path_pattern {
      values = ["/*"]
    }
  }
}

resource "aws_lb_listener_rule" "api" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 10

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.main["api"].arn
  }

  condition {
    path_pattern {
      values = ["/api/*"]
    }
  }
}
