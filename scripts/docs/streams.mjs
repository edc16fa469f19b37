// A plugin of TypeDoc: leaves out what implements Node's streams (`_write`, `_final`, …), which is
// public for Node's sake and not for users to call.
import { Converter } from 'typedoc';

export function load({ converter }) {
  converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const reflection of Object.values(project.reflections)) {
      if (/^_[a-z]/.test(reflection.name) && reflection.isDeclaration?.()) {
        if (reflection.name !== '__type') project.removeReflection(reflection);
      }
    }
  });
}
