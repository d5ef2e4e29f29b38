"""Labelled images in, a checkpoint out."""
