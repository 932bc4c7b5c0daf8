package field

import "slices"

// A record may name any id: what is not known yet may arrive later, and nobody learns from a reference what there is.
// So a photo can say that it belongs to a report that lies at another site, or with another organisation. That means
// nothing: a report and what belongs to it live in one scope, and these functions alone say what belongs together.

// ReportOf is the report that a record is a part of; nil when it has not arrived, or there is none.
func ReportOf(look Lookup, part *Record) (*Record, error) {
	report, err := look.Get(RecordID(part.Text("reportId")))
	if err != nil || report == nil || report.Kind != KindReport || report.Scope != part.Scope {
		return nil, err
	}
	return report, nil
}

// Parts lists the kinds whose records are parts of a report.
func Parts() (all []*Spec) {
	for _, s := range known {
		if s.Part != "" {
			all = append(all, s)
		}
	}
	return all
}

// PartsOf are the records of a kind that belong to a report.
func PartsOf(look Lookup, kind Kind, report *Record) ([]*Record, error) {
	return look.FindIn(report.Scope, kind, KeyFor("reportId", report.ID))
}

// EvidenceOf are the photos and interviews that a finding names and that are there, voided ones too.
func EvidenceOf(look Lookup, finding *Record) ([]*Record, error) {
	var found []*Record
	for _, id := range Named(finding) {
		e, err := look.Get(id)
		if err != nil {
			return nil, err
		}
		if e != nil && e.Scope == finding.Scope && (e.Kind.Filing() == FiledPicture || e.Kind.Filing() == FiledWords) && !slices.Contains(found, e) {
			found = append(found, e)
		}
	}
	return found, nil
}

// Named are the ids of the evidence on which a record rests, as it names them.
func Named(r *Record) (ids []RecordID) {
	if s := KindOf(r.Kind); s != nil {
		for _, f := range s.rests {
			ids = append(ids, f.Refs(r.Fields[f.Name])...)
		}
	}
	return ids
}
