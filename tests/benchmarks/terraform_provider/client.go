package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

type object = map[string]any

type client struct {
	base, key string
	http      *http.Client
}

func newClient(base, key string) *client {
	if base == "" {
		base = os.Getenv("PORTKEY_BASE_URL")
	}
	if key == "" {
		key = os.Getenv("PORTKEY_API_KEY")
	}
	return &client{strings.TrimRight(base, "/"), key, &http.Client{Timeout: 30 * time.Second}}
}

// call sends one request and returns the decoded response.
func (c *client) call(ctx context.Context, method, path string, body any) (object, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return nil, err
	}
	request.Header.Set("x-portkey-api-key", c.key)
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: %d %s", method, path, response.StatusCode, text)
	}
	answer := object{}
	if len(text) > 0 {
		err = json.Unmarshal(text, &answer)
	}
	return answer, err
}

// entry returns the member of a list whose field has a value, nil if there is none.
func entry(answer object, list, field, value string) object {
	entries, _ := answer[list].([]any)
	for _, item := range entries {
		found, _ := item.(object)
		if found[field] == value {
			return found
		}
	}
	return nil
}

func text(o object, name string) string {
	value, _ := o[name].(string)
	return value
}

// flag reads a flag, which the API shows as a boolean, a number or text.
func flag(o object, name string) bool {
	switch value := o[name].(type) {
	case bool:
		return value
	case float64:
		return value != 0
	case string:
		return value == "true" || value == "1"
	}
	return false
}
