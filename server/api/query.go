package api

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"fieldclue/server/field"
)

// queries are the query parameters of every operation that has some, those of lists of a kind from its field.Desk;
// TestQueriesAreThoseOfTheDocument holds them against openapi.yaml. A misspelt filter that is passed over gives the
// whole list to somebody who takes it for the filtered one.
var queries = map[string][]string{
	"events":    {"scopes"},
	"listNames": {"ids"},

	"listOrgs":    {"after", "limit"},
	"listPeople":  {"org", "after", "limit"},
	"listDevices": {"after", "limit"}, "listAccounts": {"after", "limit"}, "listSignIns": {"person", "after", "limit"},
	"listJobs": {"after", "limit"},

	"listGrants":   {"state", "scope", "after", "limit"},
	"listRecusals": {"state", "scope", "after", "limit"},
	"whoSees":      {"scope"},

	"getRecordHistory":  {"after", "limit"},
	"getReportHistory":  {"after", "limit"},
	"getClueHistory":    {"after", "limit"},
	"reviewQueue":       {"after", "limit"},
	"listSimilarPhotos": {"distance", "limit"},
	"listLinks":         {"after", "limit"},
	"listInbox":         {"state", "after", "limit"},
	"listParked":        {"state", "author", "code", "after", "limit"},
}

func init() {
	for _, spec := range field.Kinds() {
		a := spec.Desk.Act(field.VerbList)
		if a == nil {
			continue
		}
		for _, f := range spec.Desk.Filters {
			queries[a.ID] = append(queries[a.ID], f.Name)
		}
		queries[a.ID] = append(queries[a.ID], "after", "limit")
	}
}

// checkQuery refuses a parameter that the operation does not have, in exactly these letters, and one that comes twice:
// none is a list.
func checkQuery(c *fiber.Ctx, operationID string) error {
	known := queries[operationID]
	seen := make([]string, 0, len(known))
	var err error
	c.Context().QueryArgs().VisitAll(func(key, _ []byte) {
		name := strings.ToValidUTF8(string(key), "�")
		switch {
		case err != nil:
		case !slices.Contains(known, name):
			err = field.Refuse(field.CodeBadRequest, "%s is no parameter of this request. Names are compared to the letter.", strconv.Quote(clipName(name))).
				InChinese("%s 不是此请求的参数，名称须逐字符一致。", strconv.Quote(clipName(name)))
		case slices.Contains(seen, name):
			err = field.Refuse(field.CodeBadRequest, "%s stands twice in the query.", name).InChinese("%s 在查询参数中重复出现。", name)
		}
		seen = append(seen, name)
	})
	return err
}
