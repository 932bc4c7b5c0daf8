// Runs once, on an empty volume: the server's own user, which may read and
// write one database and nothing else.
db.getSiblingDB("fieldclue").createUser({
  user: "fieldclue",
  pwd: process.env.MONGODB_PASSWORD,
  roles: [{ role: "readWrite", db: "fieldclue" }],
});
