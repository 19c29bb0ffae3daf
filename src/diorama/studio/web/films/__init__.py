"""Moving pictures: frames laid out on one sheet, so that reality and imagination cannot drift apart."""
