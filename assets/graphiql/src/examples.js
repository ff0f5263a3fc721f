// The tabs that a first visit opens with, in the order of a booking.

const day = (offset) => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const json = (value) => JSON.stringify(value, null, 2);

const key = json({ Authorization: "Bearer fd_…" });

export const examples = [
  {
    query: `# 1. A visitor asks for free slots. No key needed.
query Slots($input: SlotsInput!) {
  slots(input: $input) {
    days {
      date
      slots {
        startsAt
        endsAt
      }
    }
  }
}
`,
    variables: json({ input: { from: day(0), to: day(13), timeZone } }),
  },
  {
    query: `# 2. The visitor books one of them: put its startsAt into the variables.
mutation Book($input: BookMeetingInput!) {
  bookMeeting(input: $input) {
    ... on MeetingBooked {
      manageToken
      booking {
        id
        startsAt
        endsAt
        agent {
          name
        }
      }
    }
    ... on SlotUnavailable {
      message
      alternatives {
        startsAt
        endsAt
      }
    }
  }
}
`,
    variables: json({
      input: {
        startsAt: `${day(1)}T09:00:00Z`,
        timeZone,
        person: { email: "ada@example.com", firstName: "Ada", lastName: "Lovelace" },
      },
    }),
  },
  {
    query: `# 3. Who takes meetings, and when. Put an API key into the headers.
query Agents {
  agents(first: 20) {
    nodes {
      id
      name
      active
      inMeetingQueue
      meetingAvailability {
        timeZone
        durationMinutes
        blocks {
          dayOfWeek
          start
          end
        }
      }
    }
  }
}
`,
    headers: key,
  },
  {
    query: `# 4. Every change to a booking, as it happens. Needs a key, and runs until stopped.
subscription Bookings {
  bookingChanged {
    id
    status
    startsAt
  }
}
`,
    headers: key,
  },
];
