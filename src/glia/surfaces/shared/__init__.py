"""What all surfaces share: requests, answers, event streams, sign-in at the door. No API's own words."""
