package secpaid

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	maxURL  = 2048
	maxURLs = 10 // of one field
)

// resolve reads a field that names URLs: whole ones, or places in the merchant's own list,
// counted from 0, in any mix and separated by commas. A comma that belongs to a URL has to
// be written as %2C. ok is false if any of them is neither, out of the list, or not let
// through by may; first, if it is given, judges the first one instead.
func resolve(field string, list []string, first, may func(url string) bool) (urls []string, ok bool) {
	if field == "" {
		return nil, true
	}
	parts := strings.Split(field, ",")
	if len(parts) > maxURLs {
		return nil, false
	}
	for i, part := range parts {
		part = strings.TrimSpace(part)
		if place, is := index(part); is {
			if place >= len(list) {
				return nil, false
			}
			part = list[place]
		}
		judge := may
		if i == 0 && first != nil {
			judge = first
		}
		if !isPlain(part) || !judge(part) {
			return nil, false
		}
		if !slices.Contains(urls, part) {
			urls = append(urls, part)
		}
	}
	return urls, true
}

func index(text string) (int, bool) {
	if text == "" || len(text) > 3 || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}

// isPlain reports whether a text can be a URL as it stands: nothing in it is read in one way
// by some and in another by others.
func isPlain(text string) bool {
	return text != "" && len(text) <= maxURL && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' || unseen(r) })
}

// canRedirect reports whether a browser may be sent to a URL.
func canRedirect(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil && u.Opaque == ""
}

// The statuses that a browser brings to the callback URL: lower case, which the vendor's own
// plugin asks for.
const (
	cameSuccess = "success"
	cameCancel  = "cancel"
)

// redirectTo is where a payer goes after a link: the callback URL with the link's id, the
// merchant's and the outcome as parameters, behind those that it has. What it has by the
// same names stands before, so whoever reads the last one of a name, as PHP does, reads
// ours.
func redirectTo(to string, link int64, user, status string) (string, bool) {
	u, err := url.Parse(to)
	if err != nil {
		return "", false
	}
	query := strings.TrimSuffix(u.RawQuery, "&")
	if query != "" {
		query += "&"
	}
	u.RawQuery = query + "pay_id=" + strconv.FormatInt(link, 10) + "&user_id=" + url.QueryEscape(user) + "&status=" + status
	u.ForceQuery = false
	return u.String(), true
}
