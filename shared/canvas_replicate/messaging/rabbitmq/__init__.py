"""The RabbitMQ adapter of the bus. The only package that imports pika."""
