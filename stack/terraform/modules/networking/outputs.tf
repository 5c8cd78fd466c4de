output "vpc_id" {
  value = aws_vpc.main.id
}

output "public_subnet_ids" {
  value = [for zone in var.zones : aws_subnet.public[zone].id]
}

output "private_subnet_ids" {
  value = [for zone in var.zones : aws_subnet.private[zone].id]
}

output "data_subnet_ids" {
  value = [for zone in var.zones : aws_subnet.data[zone].id]
}

output "nat_gateway_ids" {
  value = { for zone in local.nat : zone => aws_nat_gateway.main[zone].id }
}
