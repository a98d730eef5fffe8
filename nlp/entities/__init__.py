"""Entities from model tags, gazetteers and rules, settled by one resolver."""
