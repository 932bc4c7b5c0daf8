// Exits with 0 once this node is primary. On a node that belongs to no replica
// set yet it makes one, of this node alone; the next call finds it.
const { MONGO_INITDB_ROOT_USERNAME: user, MONGO_INITDB_ROOT_PASSWORD: password } = process.env;
db.getSiblingDB("admin").auth(user, password);
let state = 0;
try {
  state = rs.status().myState;
} catch (error) {
  if (error.codeName !== "NotYetInitialized") {
    throw error;
  }
  rs.initiate({ _id: "rs0", members: [{ _id: 0, host: "mongodb:27017" }] });
}
quit(state === 1 ? 0 : 1);
