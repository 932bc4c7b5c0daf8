package api

import (
	"github.com/gofiber/fiber/v2"

	"fieldclue/server/field"
	"fieldclue/sync/protocol"
)

const pathPush = "/v1/sync/push"

func (s *Server) registerSync() {
	s.route(fiber.MethodPost, pathPush, "push", signedIn, s.push)
	s.route(fiber.MethodPost, "/v1/sync/pull", "pull", signedIn, s.pull)
}

func (s *Server) push(c *fiber.Ctx) error {
	req, err := decodePush(c)
	if err != nil {
		return err
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

// decodePush is decode for the one body that is large and comes often: what phones send is read in one pass, and the rest,
// wrong or rare, goes the general way and gets its answer there.
func decodePush(c *fiber.Ctx) (protocol.PushRequest, error) {
	if isJSON(c) {
		if req, ok := protocol.ReadPush(c.Request().Body()); ok {
			return req, nil
		}
	}
	return decode[protocol.PushRequest](c)
}

func (s *Server) pull(c *fiber.Ctx) error {
	req, err := decode[protocol.PullRequest](c)
	if err != nil {
		return err
	}
	if len(req.Cursors) > protocol.MaxCursors {
		return field.Refuse(field.CodeBadRequest, "Send at most %d cursors.", protocol.MaxCursors)
	}
	for scope, cursor := range req.Cursors {
		if cursor.Seq < 0 {
			return field.Refuse(field.CodeBadRequest, "The cursor of %s is negative. A scope that was not read yet has none, or 0.", clipName(string(scope)))
		}
	}
	if req.Limit < 0 || req.Limit > protocol.MaxPage {
		return field.Refuse(field.CodeBadRequest, "limit is between 0 and %d.", protocol.MaxPage)
	}
	if req.Bytes < 0 || req.Bytes > protocol.MaxPageBytes {
		return field.Refuse(field.CodeBadRequest, "bytes is between 0 and %d.", protocol.MaxPageBytes)
	}
	if err := ownDevice(c, req.Device); err != nil {
		return err
	}
	res, err := s.engine.Pull(c.UserContext(), actor(c), req)
	if err != nil {
		return err
	}
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
