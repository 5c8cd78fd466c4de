output "distribution_id" {
  value = aws_cloudfront_distribution.main.id
}

output "domain" {
  value = aws_cloudfront_distribution.main.domain_name
}
