"""What the models say of detections and of difference images."""
