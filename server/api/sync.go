package api

import (
	"encoding/json"

	"github.com/gofiber/fiber/v2"

	"fieldclue/server/field"
	"fieldclue/sync/exactjson"
	"fieldclue/sync/protocol"
)

const pathPush = "/v1/sync/push"

func (s *Server) registerSync() {
	s.route(fiber.MethodPost, pathPush, "push", handsIn, s.push)
	s.route(fiber.MethodPost, "/v1/sync/pull", "pull", signedIn, s.pull)
}

func (s *Server) push(c *fiber.Ctx) error {
	req, err := decodePush(c)
	if err != nil {
		newer, ok := decodeNewer(c)
		if !ok {
			return err
		}
		req = newer
	}
	if len(req.Operations) > protocol.MaxOperations {
		return field.Refuse(field.CodeBatchTooLarge, "")
	}
	if err := ownDevice(c, req.Device); err != nil {
		return err
	}
	res, err := s.engine.Push(c.UserContext(), actor(c), req)
	if err != nil {
		return err
	}
	if !res.Replayed {
		s.metrics.pushes.Inc()
		for _, o := range res.Outcomes {
			s.metrics.operations.WithLabelValues(string(o.Outcome)).Inc()
		}
	}
	return reply(c, res)
}

// mostMembers bounds the members of a push or a pull, those of newer apps included.
const mostMembers = 32

// decodePull reads a pull. Members that this server does not know, of a newer app or in a cursor that a newer server
// gave, are left out of account: a pull writes nothing, and a phone that is refused could not be helped.
func decodePull(c *fiber.Ctx) (protocol.PullRequest, error) {
	req, err := decode[protocol.PullRequest](c)
	if err == nil {
		return req, nil
	}
	body, bad := jsonBody(c)
	if bad != nil {
		return req, err
	}
	var members map[string]json.RawMessage
	var newer protocol.PullRequest
	if json.Unmarshal(body, &members) != nil || len(members) > mostMembers || exactjson.Known(body, &newer) != nil || newer.Device == "" {
		return req, err
	}
	return newer, nil
}

// decodeNewer reads a push of an app that is newer than this server. Members of the push that are not known may be left
// out of account, by the rule that a newer protocol keeps; an operation with such members is kept whole until a server
// comes that knows them. ok is false when the body has another fault than unknown members.
func decodeNewer(c *fiber.Ctx) (req protocol.PushRequest, ok bool) {
	body, err := jsonBody(c)
	if err != nil {
		return req, false
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || len(members) > mostMembers {
		return req, false
	}
	if err := exactjson.Known(body, &req); err != nil || req.Device == "" || len(req.Operations) == 0 {
		return req, false
	}
	var raw struct {
		Operations []json.RawMessage `json:"operations"`
	}
	if err := exactjson.Known(body, &raw); err != nil || len(raw.Operations) != len(req.Operations) {
		return req, false
	}
	for i, r := range raw.Operations {
		if err := exactjson.Exact(r, new(protocol.Operation)); err != nil {
			req.Operations[i].Unknown = field.Quote(r) // compact
		}
	}
	return req, true
}

// decodePush is decode for the one body that is large and comes often: what phones send is read in one pass, and the
// rest, wrong or rare, goes the general way and gets its answer there.
func decodePush(c *fiber.Ctx) (protocol.PushRequest, error) {
	if isJSON(c) {
		if req, ok := protocol.ReadPush(c.Request().Body()); ok {
			return req, nil
		}
	}
	return decode[protocol.PushRequest](c)
}

func (s *Server) pull(c *fiber.Ctx) error {
	req, err := decodePull(c)
	if err != nil {
		return err
	}
	if len(req.Cursors) > protocol.MaxCursors {
		return field.Refuse(field.CodeBadRequest, "Send at most %d cursors.", protocol.MaxCursors).
			InChinese("最多发送 %d 个游标。", protocol.MaxCursors)
	}
	for scope, cursor := range req.Cursors {
		if cursor.Seq < 0 {
			return field.Refuse(field.CodeBadRequest, "The cursor of %s is negative. A scope that was not read yet has none, or 0.", clipName(string(scope))).
				InChinese("%s 的游标为负数；尚未读取的范围不带游标，或为 0。", clipName(string(scope)))
		}
	}
	if req.Limit < 0 || req.Limit > protocol.MaxPage {
		return field.Refuse(field.CodeBadRequest, "limit is between 0 and %d.", protocol.MaxPage).
			InChinese("limit 须在 0 至 %d 之间。", protocol.MaxPage)
	}
	if req.Bytes < 0 || req.Bytes > protocol.MaxPageBytes {
		return field.Refuse(field.CodeBadRequest, "bytes is between 0 and %d.", protocol.MaxPageBytes).
			InChinese("bytes 须在 0 至 %d 之间。", protocol.MaxPageBytes)
	}
	if err := ownDevice(c, req.Device); err != nil {
		return err
	}
	res, err := s.engine.Pull(c.UserContext(), actor(c), req)
	if err != nil {
		return err
	}
	s.metrics.diverged.Add(float64(len(res.Diverged)))
	s.metrics.pulled.Add(float64(len(res.Records)))
	return reply(c, res)
}

// ownDevice refuses a request that names another device than the one that is signed in.
func ownDevice(c *fiber.Ctx, device field.DeviceID) error {
	if device != actor(c).Device {
		return field.Refuse(field.CodeForeignDevice, "")
	}
	return nil
}
