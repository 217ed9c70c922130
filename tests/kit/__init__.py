"""What tests of several packages share: models of toys, cases, strategies that draw fleets and requests."""
