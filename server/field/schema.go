package field

// Choice is one value of an enum, with its labels.
type Choice struct {
	Code string `json:"code"`
	ZH   string `json:"zh"`
	EN   string `json:"en"`
}
