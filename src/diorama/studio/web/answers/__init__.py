"""What the studio can say: plain functions of a snapshot, used by the API and by the pages alike."""
