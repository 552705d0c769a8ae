"""What tests are made of: small data, fakes of what lies outside, and real processes to meet."""
