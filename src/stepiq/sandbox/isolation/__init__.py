"""What confines a process that runs code of users: namespaces, resource limits, Landlock and seccomp."""
