"""Certificates and keys: read from files, looked at by OpenSSL, packed for workers."""
