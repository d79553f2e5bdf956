// Sends a story with Segment's SDK for Go, and ends when it is delivered: servers HOST WRITE_KEY < story.json
package main

import (
	"encoding/json"
	"log"
	"os"
	"sync"

	"gopkg.in/segmentio/analytics-go.v3"
)

type call struct {
	Type, UserId, AnonymousId, Event string
	Properties                       analytics.Properties
	Traits                           analytics.Traits
}

func message(said call) analytics.Message {
	switch said.Type {
	case "page":
		return analytics.Page{UserId: said.UserId, AnonymousId: said.AnonymousId, Properties: said.Properties}
	case "identify":
		return analytics.Identify{UserId: said.UserId, AnonymousId: said.AnonymousId, Traits: said.Traits}
	default:
		return analytics.Track{UserId: said.UserId, AnonymousId: said.AnonymousId, Event: said.Event, Properties: said.Properties}
	}
}

// The SDK gives up what it has to send again when it is closed, so it is closed when nothing is left.
type waiting struct{ sync.WaitGroup }

func (w *waiting) Success(analytics.Message)            { w.Done() }
func (w *waiting) Failure(_ analytics.Message, e error) { log.Fatal(e) }

func main() {
	var story []call
	if err := json.NewDecoder(os.Stdin).Decode(&story); err != nil {
		log.Fatal(err)
	}
	var left waiting
	left.Add(len(story))
	config := analytics.Config{Endpoint: os.Args[1], BatchSize: len(story), Callback: &left}
	client, err := analytics.NewWithConfig(os.Args[2], config)
	if err != nil {
		log.Fatal(err)
	}
	for _, said := range story {
		if err := client.Enqueue(message(said)); err != nil {
			log.Fatal(err)
		}
	}
	left.Wait()
	if err := client.Close(); err != nil {
		log.Fatal(err)
	}
}
