"""What runs in Docker costs beside `docker run` and `docker build`."""
