// What the writer of a client counts on: records and operations are told apart by their kind.
import type { components, paths } from './api'

type Schemas = components['schemas']

export const summary = (r: Schemas['AnyRecord']): string | undefined => r.kind === 'report' ? r.fields.summary : undefined

export const push: paths['/v1/sync/push']['post']['requestBody']['content']['application/json'] = {
  device: '0193a000-0000-7000-8000-000000000002',
  batch: 1,
  scope: 'site/0193a000-0000-7000-8000-000000000003',
  operations: [
    { id: '0193a000-0000-7000-8000-000000000004', kind: 'photo', base: 7, set: { caption: null } },
    { id: '0193a000-0000-7000-8000-000000000005', kind: 'report', base: 0, command: 'submit' }
  ]
}

// @ts-expect-error: a photo has no severity
export const none = (r: Schemas['PhotoRecord']) => r.fields.severity
