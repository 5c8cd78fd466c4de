"""The stack as containers: images, their configuration, and ``docker-compose.yml``."""
