"""SimPy processes that play the systems, their replicas and the clients; columns of primitive times come out."""
