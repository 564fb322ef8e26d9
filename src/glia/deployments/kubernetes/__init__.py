"""Deployments in a Kubernetes cluster: each is a Deployment of Kubernetes, made as the database wants it and reported
back."""
