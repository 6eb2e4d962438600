"""New files: registered once, watched for."""
